"""Organisations: the users and groups of directories, as entities.

Each source reads what its system has, and hands it to `assembling`, which links users and groups to one another and
makes names unique. A round is one page: who belongs to whom is known only when everything has been read.
"""
