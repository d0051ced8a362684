"""Moving in: what a running Backstage catalog holds, and how it gets into this one.

backstage  reads the other catalog, page by page
plans      says of each location and entity whether it has to be copied, and why not
copying    registers the locations, writes the entities
conflicts  lets those have an entity who have it there
comparing  holds each entity there against the one here

Everything goes over HTTP on both sides, through `callboard.client`.
"""
