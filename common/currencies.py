"""Currencies by their ISO codes, as payment providers count them. Needs no framework."""

from __future__ import annotations

_NO_PLACES = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_THREE_PLACES = "BHD JOD KWD OMR TND"
_TWO_PLACES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF
CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF
IDR ILS INR ISK JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK
MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD
SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX USD UYU UZS WST XCD YER ZAR ZMW
"""
_EXPONENTS = {
    code: places
    for places, codes in ((0, _NO_PLACES), (2, _TWO_PLACES), (3, _THREE_PLACES))
    for code in codes.split()
}
"""As payment providers count: some write two places of a currency that has none by ISO."""


def exponent_of(code: str) -> int:
    """Return how many decimal places a payment provider counts a currency in.

    Raises ``ValueError`` for a currency nobody knows.
    """
    if code not in _EXPONENTS:
        raise ValueError(f"{code!r} is no currency: write its three letters, such as USD or EUR.")
    return _EXPONENTS[code]
