"""Stage 2, processing: a due entity becomes a processed entity, relations, children and errors.

Reads due entities in batches, each under a lease.
Decides by running policies and processors over each of them, outside of any transaction.
Writes processed content, errors, children (claims), relations, refresh keys, the schedule and the stitch marks: all of
a batch in one transaction, so that a crash loses nothing and repeats at most what the lease covers.
Wakes stitching.
"""
