"""The stream: the ordered log of changes, read back.

One follower a process reads the log and feeds the view, the recent changes in memory and everybody who waits. Waiters
hold no database connection; only a reader that is far behind costs one, page by page.
"""
