"""What tests, accuracy checks and benchmarks share.

`reference` computes everything again, slowly and in wider types; `shapes` names the layers of
well-known networks; `cases` draws reproducible random problems; `contract` says how far a result
may be from the reference. Nothing here is imported by the library itself.
"""
