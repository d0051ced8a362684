"""The view: the catalog as readers see it, in memory, at one known offset of the stream.

It is loaded from one snapshot, follows the stream, and answers every read without the database. Nothing in here waits:
a batch of changes is applied between two answers, so that each answer is one consistent state.
"""
