"""Stage 3, stitching: processed content, relations, status and the orphan mark become what readers see.

Reads tickets in batches, and the rows of their entities.
Decides, by hash, which final entities differ from what is published.
Writes them with their events through `publish`, in one transaction with the tickets.
Wakes whoever follows the stream.
"""
