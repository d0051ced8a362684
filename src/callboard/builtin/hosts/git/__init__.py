"""Git: hosts that are read with the `git` program, over HTTPS or SSH, since they have no API of their own.

options    what `integrations.git` says
program    `git` as a process: what it may do, how it proves who asks, and what its errors mean
copies     shallow copies of repositories on disk, without the contents of files
reading    the code host
"""
