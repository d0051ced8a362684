"""Stage 1, ingestion: a provider's mutation becomes claims.

Reads what the provider has delivered and what it had claimed before.
Decides which claims are new, changed or withdrawn, who wins where sources compete, and what nothing keeps alive now.
Writes claims, entities and the schedule; retracts what is removed: all in the one transaction of the mutation.
Wakes processing.
"""
