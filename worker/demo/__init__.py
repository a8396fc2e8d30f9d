"""`emostream demo`: real texts through a real broker and a worker process, and a check that nothing was lost."""
