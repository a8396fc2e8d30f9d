"""Predictions to decisions: accepted, or abstained with reasons. Pure; numpy and the policy file's schema only.

`policy.rule_for` chooses a `Rule` by the task and the policy; a rule decides a whole wave in one vectorised call.
"""
