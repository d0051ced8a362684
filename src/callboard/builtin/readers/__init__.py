"""Readers for the location types `url` and `file`.

allowed_hosts   which URLs may be read
fetching        one bounded GET; what a reader for a code host builds on as well
http            `url` on plain web servers
files           `file` on this machine
"""
