"""HTML reports of `evaluate` and `calibrate`: one file each, everything inline, readable in light and dark, no script.

Owns how measures look; what they are is `worker.learning.metrics`' and `selective`'s.
"""

from worker.learning.report.page import Subject as Subject
from worker.learning.report.page import calibration_page as calibration_page
from worker.learning.report.page import evaluation_page as evaluation_page
