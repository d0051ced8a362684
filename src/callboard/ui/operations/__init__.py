"""Operations: whether everything is well, and what to do where it is not.

Each page is put together from several answers of the API. What a caller may not know of is said to be so, and the rest
of the page is there.
"""
