"""The web page: the catalog for people, made on the server and served at `/`.

A page asks the catalog's own API, within the process and in the name of whoever looks at it, and puts the answers into
a template. So it shows what a client could have been told, to whom it may be told, and nothing else. The scripts in
`static` make pages quicker to use and live; reading works without them.
"""
