"""The catalog for AI agents: tools of the Model Context Protocol, at `/api/mcp/catalog`.

Each tool asks the catalog's own API, within the process and in the name of whoever calls it. Seven of them are those
that Backstage offers, under the same names; the others are about what only Callboard has. Needs the extra
`callboard[mcp]`.
"""
