"""Callboard: a software catalog whose every change has one position in one stream.

The packages tell the pipeline:

    model       what a catalog is about: refs, entities, kinds, predicates        (pure)
    extend      what a plugin may implement
    ingestion   stage 1   provider mutation -> claims, entities
    processing  stage 2   due entity -> processed entity, relations, children, errors
    stitching   stage 3   processed + relations + errors -> published
    stream      the ordered log, read back
    view        the in-memory read model that answers every query
    store       the only package that speaks SQL
    builtin     bundled plugins; they use `extend` and nothing else
    api, cli    the faces
"""

__version__ = "0.1.0"
