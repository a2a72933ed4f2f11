TIERS: tuple[str, ...]
