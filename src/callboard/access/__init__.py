"""Access: who calls, and what they may see and do.

`principals` are callers, `permissions` are what can be asked for, and `decisions` the answers.
"""
