"""What tests, accuracy checks and benchmarks share.

`reference` computes everything again, slowly and in wider types; `shapes` names the layers of
well-known networks; `cases` draws reproducible random problems; `contract` says how far a result
may be from the reference; `guard` places arrays between forbidden pages; `selftest` checks an
installation with all of these. Nothing here is imported by the library itself.
"""
