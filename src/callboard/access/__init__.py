"""Access: who calls, and what they may see and do.

`principals` are callers, `permissions` are what can be asked for, and `decisions` the answers.
`authentication` finds out who calls: by `external` tokens or those of `backstage`, with the `key_sets` of issuers.
"""
