"""IMU chips as numbers: what their datasheets promise, and one drawn part of a kind. No I/O.

How a figure is read here: noise densities as printed; a typical "±" of an offset, temperature
coefficient or cross-axis share as one standard deviation over parts and axes; what a datasheet
calls a tolerance as two. Bias instability and random walk stand in none of these datasheets.
`Chip.assumed` names every figure of a chip that is ours, `Chip.source` where the others stand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.calibration import GRAVITY_M_S2

Array = NDArray[np.float64]

MICRO_G = 1e-6 * GRAVITY_M_S2
MILLI_G = 1e-3 * GRAVITY_M_S2
DPS = float(np.pi / 180.0)
MDPS = 1e-3 * DPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Imperfections:
    """What one sensor of a chip does beyond white noise and a constant offset; all off by default.

    U is m/s² for the accelerometer and rad/s for the gyroscope. Spreads are standard deviations.

    bias_instability: B in U; the Allan deviation's floor is 0.664 B (IEEE Std 952-1997, annex C).
    random_walk: K in U/√s; the Allan deviation ends as K √(τ/3).
    scale, cross_axis: spread of gain errors and of what each other axis adds, relative.
    offset_per_k, scale_per_k: spread of the drift per kelvin of the chip, U/K and 1/K.
    bandwidth_hz: −3 dB of the chip's low-pass, None where there is none to speak of.
    """

    bias_instability: float = 0.0
    random_walk: float = 0.0
    scale: float = 0.0
    cross_axis: float = 0.0
    offset_per_k: float = 0.0
    scale_per_k: float = 0.0
    bandwidth_hz: float | None = None


IDEAL = Imperfections()


@dataclass(frozen=True, slots=True)
class Chip:
    """One kind of IMU. The defaults are typical of current consumer MEMS parts, not a datasheet's.

    accel_bias_m_s2, gyro_bias_rad_s: standard deviation of the constant offset. bits: of a reading,
    over ± the range. gyro_per_accel: g-sensitivity, rad/s per m/s², standard deviation per pair of
    axes. delay_s: how much later than its sample time a reading feels, beside the low-pass.
    """

    accel_noise_m_s2_rthz: float = 1.3e-3  # about 130 µg/√Hz
    gyro_noise_rad_s_rthz: float = 1.6e-4  # about 9 mdps/√Hz
    accel_bias_m_s2: float = 0.25
    gyro_bias_rad_s: float = 0.012
    accel_range_m_s2: float = 8 * GRAVITY_M_S2
    gyro_range_rad_s: float = float(np.radians(1024.0))
    bits: int = 16
    accel_bits: int | None = None  # where it differs
    accel: Imperfections = IDEAL
    gyro: Imperfections = IDEAL
    gyro_per_accel: float = 0.0
    delay_s: float = 0.0
    name: str = "typical"
    source: str = "ours"
    assumed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The S chips of one donning: what was drawn for each of them.

    accel_matrix, gyro_matrix, gyro_per_accel: (S, 3, 3). accel_per_k, gyro_per_k: (S, 3).
    accel_scale_per_k, gyro_scale_per_k: (S, 3).
    """

    accel_matrix: Array
    gyro_matrix: Array
    gyro_per_accel: Array
    accel_per_k: Array
    gyro_per_k: Array
    accel_scale_per_k: Array
    gyro_scale_per_k: Array


def draw_parts(chip: Chip, count: int, rng: np.random.Generator) -> Parts | None:
    """Draw `count` parts; None, and nothing drawn, for a chip without such imperfections."""
    plain = all(
        (kind.scale, kind.cross_axis, kind.offset_per_k, kind.scale_per_k) == (0.0,) * 4
        for kind in (chip.accel, chip.gyro)
    )
    if plain and chip.gyro_per_accel == 0.0:
        return None
    return Parts(
        accel_matrix=_matrices(chip.accel, count, rng),
        gyro_matrix=_matrices(chip.gyro, count, rng),
        gyro_per_accel=rng.normal(0.0, chip.gyro_per_accel, (count, 3, 3)),
        accel_per_k=rng.normal(0.0, chip.accel.offset_per_k, (count, 3)),
        gyro_per_k=rng.normal(0.0, chip.gyro.offset_per_k, (count, 3)),
        accel_scale_per_k=rng.normal(0.0, chip.accel.scale_per_k, (count, 3)),
        gyro_scale_per_k=rng.normal(0.0, chip.gyro.scale_per_k, (count, 3)),
    )


def _matrices(kind: Imperfections, count: int, rng: np.random.Generator) -> Array:
    matrices = rng.normal(0.0, kind.cross_axis, (count, 3, 3))
    gains = 1.0 + rng.normal(0.0, kind.scale, (count, 3))
    matrices[:, np.arange(3), np.arange(3)] = gains
    return matrices


# No datasheet here gives these. 10 °/h and 40 µg are of the size usually met in consumer MEMS; the
# walks reach those floors after some eight minutes. Ours, to be replaced by a long log.
_ACCEL_INSTABILITY = 40 * MICRO_G
_GYRO_INSTABILITY = 10 * DPS / 3600
_ACCEL_WALK = 2e-5
_GYRO_WALK = 2.5e-6
_UNPUBLISHED = frozenset(
    f"{kind}.{name}" for kind in ("accel", "gyro") for name in ("bias_instability", "random_walk")
)

QMI8658 = Chip(
    name="QMI8658",
    # Its twin QMI8658C promises 15 instead of 13 mdps/√Hz (13-52-27 Rev A, features).
    source="QST QMI8658A datasheet 13-52-25 Rev A (2022): tables 7, 8, 11 and 13",
    accel_noise_m_s2_rthz=150 * MICRO_G,
    gyro_noise_rad_s_rthz=13 * MDPS,
    accel_bias_m_s2=100 * MILLI_G / 2,
    gyro_bias_rad_s=10 * DPS / 2,
    accel_range_m_s2=8 * GRAVITY_M_S2,
    gyro_range_rad_s=1024 * DPS,
    # At 224.2 Hz, the setting next to 200 Hz with both sensors on; 27.5 % of it by default.
    accel=Imperfections(
        bias_instability=_ACCEL_INSTABILITY,
        random_walk=_ACCEL_WALK,
        scale=0.06 / 2,
        cross_axis=0.01,
        offset_per_k=1 * MILLI_G,
        scale_per_k=4e-4,
        bandwidth_hz=61.7,
    ),
    gyro=Imperfections(
        bias_instability=_GYRO_INSTABILITY,
        random_walk=_GYRO_WALK,
        scale=0.03 / 2,
        cross_axis=0.02,
        offset_per_k=0.1 * DPS,  # x and y; z is half of it
        scale_per_k=5e-4,  # x and y; z is a fifth of it
        bandwidth_hz=61.7,
    ),
    gyro_per_accel=0.1 * DPS / GRAVITY_M_S2,
    assumed=_UNPUBLISHED,
)

ICM_42688 = Chip(
    name="ICM-42688",
    source="TDK ICM-42688-P datasheet DS-000347 rev. 1.2: §3.1 table 1, §3.2 table 2",
    accel_noise_m_s2_rthz=70 * MICRO_G,  # z; x and y 65
    gyro_noise_rad_s_rthz=2.8 * MDPS,
    accel_bias_m_s2=20 * MILLI_G / 2,
    gyro_bias_rad_s=0.5 * DPS / 2,
    accel_range_m_s2=8 * GRAVITY_M_S2,
    gyro_range_rad_s=1000 * DPS,
    accel=Imperfections(
        bias_instability=_ACCEL_INSTABILITY,
        random_walk=_ACCEL_WALK,
        scale=0.005 / 2,
        cross_axis=0.01,
        offset_per_k=0.15 * MILLI_G,
        scale_per_k=5e-5,
        bandwidth_hz=50.0,
    ),
    gyro=Imperfections(
        bias_instability=_GYRO_INSTABILITY,
        random_walk=_GYRO_WALK,
        scale=0.005 / 2,
        cross_axis=0.0125,
        offset_per_k=0.005 * DPS,
        scale_per_k=5e-5,
        bandwidth_hz=50.0,
    ),
    gyro_per_accel=0.1 * DPS / GRAVITY_M_S2,
    # The low-pass can be set from 5 to 500 Hz; a quarter of 200 Hz is our setting.
    assumed=_UNPUBLISHED | {"accel.bandwidth_hz", "gyro.bandwidth_hz", "gyro_per_accel"},
)

BMI270 = Chip(
    name="BMI270",
    source=(
        "Bosch BMI270 datasheet BST-BMI270-DS000: key features p. 2 (noise, ranges) read in rev. "
        "1.3 and 1.5; tables p. 14 and 15 (offsets, gains, gyro drift, cross-axis) at second hand"
    ),
    accel_noise_m_s2_rthz=160 * MICRO_G,
    gyro_noise_rad_s_rthz=7 * MDPS,
    accel_bias_m_s2=20 * MILLI_G,
    gyro_bias_rad_s=0.5 * DPS,
    accel_range_m_s2=8 * GRAVITY_M_S2,
    gyro_range_rad_s=1000 * DPS,
    accel=Imperfections(
        bias_instability=_ACCEL_INSTABILITY,
        random_walk=_ACCEL_WALK,
        scale=0.004,
        cross_axis=0.005,
        offset_per_k=0.3 * MILLI_G,
        scale_per_k=1e-4,
        bandwidth_hz=80.0,  # of the sister BMI088 at 200 Hz: its datasheet, table 8
    ),
    gyro=Imperfections(
        bias_instability=_GYRO_INSTABILITY,
        random_walk=_GYRO_WALK,
        scale=0.004,
        cross_axis=0.002,
        offset_per_k=0.015 * DPS,
        scale_per_k=2e-4,
        bandwidth_hz=80.0,
    ),
    gyro_per_accel=0.1 * DPS / GRAVITY_M_S2,
    assumed=_UNPUBLISHED
    | {"accel.cross_axis", "accel.offset_per_k", "accel.scale_per_k", "accel.bandwidth_hz"}
    | {"gyro.scale", "gyro.scale_per_k", "gyro.bandwidth_hz", "gyro_per_accel"},
)

LSM6DSO = Chip(
    name="LSM6DSO",
    source=(
        "ST LSM6DSO datasheet DS12140 rev. 3: table 2 (noise, steps, gain), table 18, figure 17 "
        "(bandwidth) at second hand; offsets, drift: its sister LSM6DSO32's, DocID032891 rev. 1"
    ),
    accel_noise_m_s2_rthz=80 * MICRO_G,
    gyro_noise_rad_s_rthz=3.8 * MDPS,
    accel_bias_m_s2=20 * MILLI_G,
    gyro_bias_rad_s=0.5 * DPS,
    accel_range_m_s2=8 * GRAVITY_M_S2,
    gyro_range_rad_s=35 * MDPS * 2**15,  # "±1000 dps" in steps of 35 mdps: 1147 dps
    accel=Imperfections(
        bias_instability=_ACCEL_INSTABILITY,
        random_walk=_ACCEL_WALK,
        scale=0.01 / 2,
        cross_axis=0.01,
        offset_per_k=0.1 * MILLI_G,
        scale_per_k=7e-5,
        bandwidth_hz=None,  # half the data rate: nothing more is lost at that rate
    ),
    gyro=Imperfections(
        bias_instability=_GYRO_INSTABILITY,
        random_walk=_GYRO_WALK,
        scale=0.01 / 2,
        cross_axis=0.01,
        offset_per_k=0.01 * DPS,
        scale_per_k=5e-5,
        bandwidth_hz=66.8,  # at 208 Hz
    ),
    gyro_per_accel=0.1 * DPS / GRAVITY_M_S2,
    assumed=_UNPUBLISHED | {"accel.cross_axis", "gyro.cross_axis", "gyro_per_accel"},
)

BNO08X = Chip(
    name="BNO08x",
    source=(
        "Hillcrest BNO080 datasheet 1000-3927 (2017) §6.6: ranges, and that the sensors are "
        "those of Bosch's BMF055, whose datasheet we could not read; noise, offsets and drift "
        "from tables that quote its sisters BMI055 and BNO055: weak"
    ),
    accel_noise_m_s2_rthz=150 * MICRO_G,
    gyro_noise_rad_s_rthz=14 * MDPS,
    accel_bias_m_s2=80 * MILLI_G / 2,  # quoted as a bound
    gyro_bias_rad_s=1 * DPS,
    accel_range_m_s2=8 * GRAVITY_M_S2,
    gyro_range_rad_s=2000 * DPS,
    accel_bits=14,  # BNO055 datasheet, key features
    accel=Imperfections(
        bias_instability=_ACCEL_INSTABILITY,
        random_walk=_ACCEL_WALK,
        scale=0.01,
        cross_axis=0.01,
        offset_per_k=1 * MILLI_G,
        scale_per_k=2e-4,
        bandwidth_hz=62.5,
    ),
    gyro=Imperfections(
        bias_instability=_GYRO_INSTABILITY,
        random_walk=_GYRO_WALK,
        scale=0.01,
        cross_axis=0.01,
        offset_per_k=0.015 * DPS,
        scale_per_k=3e-4,
        bandwidth_hz=64.0,
    ),
    gyro_per_accel=0.1 * DPS / GRAVITY_M_S2,
    assumed=_UNPUBLISHED
    | {"accel.scale", "accel.cross_axis", "accel.scale_per_k", "accel.bandwidth_hz"}
    | {"gyro.scale", "gyro.cross_axis", "gyro.scale_per_k", "gyro.bandwidth_hz", "gyro_per_accel"},
)

CHIPS = {chip.name: chip for chip in (QMI8658, BMI270, ICM_42688, LSM6DSO, BNO08X)}
