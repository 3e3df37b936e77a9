"""The smallest units of currencies (ISO 4217)."""

MINOR_DIGITS = {  # those whose smallest unit is not a hundredth
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def minor_factor(currency: str) -> int:
    """How many of the smallest unit make one unit of the currency."""
    factor: int = 10 ** MINOR_DIGITS.get(currency, 2)
    return factor
