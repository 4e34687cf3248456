"""Phones and the mouth shapes they make. Data, no I/O.

Phones carry the two-letter names of the ARPAbet, which cover English and, read loosely, what lips
do in many languages: a mouth does not tell one r from another. Shapes, durations and dominances
are ours, set by eye on our head within the ranges of real recordings (`imusic performances report`
compares); classes of phones that look alike are the usual ones.
"""

from dataclasses import dataclass

# A mouth shape in ARKit's words; names without a side mean both.
VISEMES: dict[str, dict[str, float]] = {
    "rest": {},
    "aa": {"jawOpen": 0.42, "mouthLowerDown": 0.14, "mouthUpperUp": 0.06},
    "ae": {"jawOpen": 0.36, "mouthLowerDown": 0.14, "mouthUpperUp": 0.08, "mouthStretch": 0.05,
           "mouthSmile": 0.05},
    "ah": {"jawOpen": 0.26, "mouthLowerDown": 0.08, "mouthUpperUp": 0.04},
    "ee": {"jawOpen": 0.12, "mouthStretch": 0.12, "mouthSmile": 0.16, "mouthLowerDown": 0.15,
           "mouthDimple": 0.06},
    "eh": {"jawOpen": 0.26, "mouthLowerDown": 0.14, "mouthSmile": 0.08, "mouthUpperUp": 0.06},
    "ih": {"jawOpen": 0.17, "mouthSmile": 0.08, "mouthLowerDown": 0.12, "mouthUpperUp": 0.06},
    "ao": {"jawOpen": 0.36, "mouthFunnel": 0.28, "mouthPucker": 0.10},
    "oh": {"jawOpen": 0.24, "mouthFunnel": 0.28, "mouthPucker": 0.20},
    "oo": {"jawOpen": 0.11, "mouthPucker": 0.36, "mouthFunnel": 0.20},
    "er": {"jawOpen": 0.16, "mouthPucker": 0.14, "mouthFunnel": 0.12, "mouthShrugLower": 0.04},
    "mbp": {"jawOpen": 0.05, "mouthClose": 0.05, "mouthPress": 0.10, "mouthRollLower": 0.14,
            "mouthRollUpper": 0.10, "mouthShrugLower": 0.06},
    "fv": {"jawOpen": 0.07, "mouthRollLower": 0.30, "mouthUpperUp": 0.12, "mouthShrugUpper": 0.06},
    "th": {"jawOpen": 0.14, "mouthLowerDown": 0.14, "mouthUpperUp": 0.06, "tongueOut": 0.04},
    "tdn": {"jawOpen": 0.12, "mouthLowerDown": 0.10, "mouthUpperUp": 0.05},
    "sz": {"jawOpen": 0.05, "mouthStretch": 0.10, "mouthLowerDown": 0.18, "mouthSmile": 0.05},
    "sh": {"jawOpen": 0.08, "mouthFunnel": 0.32, "mouthPucker": 0.12, "mouthUpperUp": 0.05},
    "kg": {"jawOpen": 0.18, "mouthLowerDown": 0.08},
    "ll": {"jawOpen": 0.20, "mouthLowerDown": 0.12, "mouthUpperUp": 0.05},
    "rr": {"jawOpen": 0.13, "mouthPucker": 0.16, "mouthFunnel": 0.10},
    "ww": {"jawOpen": 0.08, "mouthPucker": 0.40, "mouthFunnel": 0.14},
    "hh": {"jawOpen": 0.18, "mouthLowerDown": 0.06},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Phone:
    """How a phone looks and how long it takes.

    visemes: one, or the two between which a diphthong glides. duration_s: typical in connected
    speech; shortest_s: it is never squeezed below. jaw, lips: how strongly it insists on its own
    jaw opening and lip shape against its neighbours, 0 … 1. closes: the lips meet.
    """

    visemes: tuple[str, ...]
    duration_s: float
    shortest_s: float
    jaw: float
    lips: float
    vowel: bool = False
    closes: bool = False


def _vowel(*visemes: str, duration_s: float = 0.11, lips: float = 0.45) -> Phone:
    return Phone(visemes, duration_s, 0.045, 0.75, lips, vowel=True)


def _consonant(viseme: str, duration_s: float, jaw: float, lips: float) -> Phone:
    return Phone((viseme,), duration_s, 0.030, jaw, lips, closes=viseme == "mbp")


# Open vowels are long and close ones short; rounded phones and those made with the lips insist on
# their lips, hissing ones on a nearly closed jaw, and the tongue's own hardly on either.
PHONES: dict[str, Phone] = {
    "AA": _vowel("aa", duration_s=0.125), "AE": _vowel("ae", duration_s=0.125),
    "AH": _vowel("ah", duration_s=0.070, lips=0.25), "AO": _vowel("ao", duration_s=0.125, lips=0.6),
    "AW": _vowel("aa", "oo", duration_s=0.150), "AY": _vowel("aa", "ih", duration_s=0.145),
    "EH": _vowel("eh", duration_s=0.085), "ER": _vowel("er", duration_s=0.100, lips=0.5),
    "EY": _vowel("eh", "ee", duration_s=0.125), "IH": _vowel("ih", duration_s=0.065, lips=0.3),
    "IY": _vowel("ee", duration_s=0.090), "OW": _vowel("oh", "oo", duration_s=0.125, lips=0.7),
    "OY": _vowel("oh", "ih", duration_s=0.160, lips=0.6),
    "UH": _vowel("oh", duration_s=0.070, lips=0.6), "UW": _vowel("oo", duration_s=0.095, lips=0.8),
    "B": _consonant("mbp", 0.070, 0.7, 1.0), "P": _consonant("mbp", 0.090, 0.7, 1.0),
    "M": _consonant("mbp", 0.070, 0.7, 1.0),
    "F": _consonant("fv", 0.095, 0.8, 0.95), "V": _consonant("fv", 0.065, 0.8, 0.95),
    "TH": _consonant("th", 0.085, 0.6, 0.3), "DH": _consonant("th", 0.045, 0.5, 0.2),
    "T": _consonant("tdn", 0.065, 0.5, 0.15), "D": _consonant("tdn", 0.050, 0.5, 0.15),
    "N": _consonant("tdn", 0.055, 0.4, 0.15),
    "S": _consonant("sz", 0.100, 0.9, 0.3), "Z": _consonant("sz", 0.075, 0.9, 0.3),
    "SH": _consonant("sh", 0.105, 0.9, 0.8), "ZH": _consonant("sh", 0.075, 0.9, 0.8),
    "CH": _consonant("sh", 0.110, 0.9, 0.8), "JH": _consonant("sh", 0.085, 0.9, 0.8),
    "K": _consonant("kg", 0.080, 0.3, 0.05), "G": _consonant("kg", 0.060, 0.3, 0.05),
    "NG": _consonant("kg", 0.065, 0.3, 0.05),
    "L": _consonant("ll", 0.060, 0.3, 0.15), "R": _consonant("rr", 0.060, 0.4, 0.5),
    "W": _consonant("ww", 0.060, 0.5, 0.9), "Y": _consonant("ee", 0.050, 0.4, 0.3),
    "HH": _consonant("hh", 0.055, 0.1, 0.05),
}  # fmt: skip
