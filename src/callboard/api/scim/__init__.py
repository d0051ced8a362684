"""SCIM 2.0: identity providers push users and groups (RFC 7643, RFC 7644).

What they write is kept as they wrote it, for them alone; the catalog has the User and the Group that each resource
stands for.
"""
