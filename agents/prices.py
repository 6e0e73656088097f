"""The cost of tokens by the providers' public prices, from genai-prices. An unknown cost is None, never 0."""


def price_of(
    model: str | None,
    *,
    provider: str,
    read: int | None,
    written: int | None,
    from_cache: int | None = None,
    to_cache: int | None = None,
) -> float | None:
    """Return the price in US dollars; `read` includes the tokens read from and written to a cache.

    None if a count, the provider or the model is unknown.
    """
    from genai_prices import Usage, calc_price

    if not model or read is None or written is None:
        return None
    used = Usage(
        input_tokens=read, output_tokens=written, cache_read_tokens=from_cache, cache_write_tokens=to_cache
    )
    try:
        price = calc_price(used, model_ref=model, provider_id=provider).total_price
    except (LookupError, ValueError):  # ValueError: counts that contradict each other
        return None
    return float(price) or None
