"""Graphs: what of the catalog is drawn, where each box stands, and how the lines run between them.

`neighbourhoods` asks the catalog what there is around an entity, `narrowing` says how much of it is wanted, `layout`
puts it into columns, and `drawing` makes the shapes of it that the templates write down as SVG.
"""
