"""Definitions: what an API says of itself, in OpenAPI or AsyncAPI, as a page can show it.

A definition is read into values (`documents`), and told in the parts that both formats have in common (`parts`):
operations with what goes in and out, and schemas as trees of properties (`schemas`). The work is bounded whatever the
document holds: references are links and are not followed into schemas, and a page has so many rows and no more.
"""
