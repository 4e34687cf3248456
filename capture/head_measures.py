"""Figures our head is built from: named points of the neutral face. No I/O.

Points are in mm in the head frame, the wearer's left half (x ≥ 0); the right half is its mirror.
LANDMARKS are measurements on the neutral light head of ICT-FaceKit (MIT, (c) USC Institute for
Creative Technologies), rounded to 0.1 mm. FORM holds our own points in between (eye sockets, sides
of the nose, skull, neck), placed by eye with the proportions of the same head in view.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LANDMARKS = """
menton 0 -75.7 104.3            chin_side 15.4 -72.6 102.7      jaw_front 30.5 -69.1 87.7
jaw_middle 43 -62.1 73.5        jaw_low 57.2 -44.9 61.3         jaw_angle 65.6 -23.6 51.7
jaw_branch 69.4 -4.6 45.3       ear_low_front 72.8 14.9 39.3    ear_front 73.6 36.8 36.6
brow_inner 11.7 59.1 107.3      brow_near 24.2 61.9 104.8       brow_middle 37.9 62.6 98.3
brow_far 49.3 59.8 89.9         brow_outer 58.2 52 79.1         nasion 0 37.4 107.3
nose_bridge 0 26.3 115.2        nose_ridge 0 16.1 123.1         nose_tip 0 4.1 130.7
subnasale 0 -12 115.7           nostril_sill 6 -11.4 114.2      alar_base 12.5 -11.5 108.7
canthus_inner 18.4 32.5 92      lid_upper_inner 27.8 39.4 95.3  lid_upper_outer 38.7 38.8 93.6
canthus_outer 44.6 34.3 86      lid_lower_outer 38.6 30.7 92.3  lid_lower_inner 27.3 30.9 94.1
lip_top 0 -24.8 118.4           lip_peak 7.3 -24.2 117.3        lip_upper_side 17 -27.8 112.2
mouth_corner 25.4 -35.2 101.9   lip_lower_side 18 -40.6 109     lip_lower_near 10.3 -43 113.9
lip_bottom 0 -43.8 115.5        slit_upper 0 -33.2 112.8        slit_upper_side 10 -33 110.9
slit_corner 22.1 -34.9 101.3    slit_lower_side 10.7 -33.8 110.4  slit_lower 0 -34 112.5
buccinator 39.2 -36.5 94        cheek 42.3 -3.5 95.4            forehead_centre 0 90.5 98.5
forehead_high 30.2 105.5 81.6   forehead 28.6 85.9 94.8         glabella 0 57.4 107.7
jowl 31.9 -54.6 94.2            mentalis 0 -60.9 110.5          mid_cheek 35.3 -14.2 98.9
nasolabial 24 -16 104           under_eye 30.4 13.1 96.2
"""

_FORM = """
# forehead and skull
hairline 0 113 84     vertex_front 0 133 62     vertex 0 145 5      crown_back 0 136 -48
occiput_high 0 100 -83   occiput 0 60 -91       occiput_low 0 15 -83   nape 0 -28 -66
frontal_side 50 100 66   temple_high 62 84 62   temple 69 62 54     temple_low 71 42 50
skull_side_high 52 130 10   skull_side_mid 72 98 8   skull_side 79 60 0   skull_above_ear 77 40 0
parietal 50 122 -45   parietal_side 74 75 -45   occiput_side 62 50 -66   occiput_corner 40 78 -80
mastoid 72 10 -10     mastoid_back 64 5 -42   nape_side 42 -22 -57   skull_back 42 20 -72
# eye socket and nose
brow_low 30 52 103.5     brow_low_outer 46 51 95   fold 34 45.5 97.8   fold_outer 46 42 92
fold_inner 20 43 97.5    nasal_wall 11 39 102      tear_trough 20 24 95.5   orbit_low 33 23 95
orbit_outer 53 34 84     orbit_low_outer 46 24 90  nose_side 10.5 26 106
nose_side_low 11.5 16 116.5
nose_flank 17.5 16 104.5 supra_tip 6.5 11 126      tip_side 7 3 128.7   tip_under 0 -5.5 127.5
columella 0 -9.2 120.5   ala_top 14.5 3 120.5      ala 17.8 -3.5 115   ala_low 16 -9 112.2
ala_crease 21 1 103.8    ala_foot 19.5 -8.5 104.5  rim 9.5 -7.5 120.8   nostril 6.5 -8.6 118.5
wing_cheek 24 4 101.5
# cheek and jaw
zygoma 54 12 86          zygoma_back 64 18 69      cheek_side 57 -12 80    cheek_back 66 2 60
cheek_low 53 -32 78      jaw_side 62 -28 63        cheek_front 30 -2 99.5  jowl_back 46 -48 80
# lips and chin
philtrum 0 -18 115.6     philtrum_ridge 5 -18 116.2   lip_side 15 -20 110.8
lip_corner_up 27 -27 106
lip_upper_full 0 -28.6 118.2   lip_upper_full_side 10 -29.2 115.2   lip_upper_lean 0 -32 115.6
lip_upper_lean_side 10 -32 113.2   lip_lower_full 0 -38.6 116.4   lip_lower_full_side 10 -38 114.4
lip_lower_lean 0 -35.2 114.8   lip_lower_lean_side 10 -35 112.8
lip_upper_corner 18 -31.2 109.4   border_upper 21.8 -31.6 107.4
lip_lower_corner 18 -37.4 108.4   border_lower 22.2 -38 105.6   sulcus 0 -50 109.6
sulcus_side 15 -49 107.5   crease 0 -55 109.6   chin_ball 0 -67 110     chin_ball_side 13 -62 107.8
chin_corner 24 -63 99.5
# under the jaw and neck
submental 0 -81 91       submental_back 0 -84 72   throat 0 -90 57     neck_front 0 -112 47
submental_side 25 -78 78   jaw_under 44 -70 58     jaw_under_back 58 -55 42
jaw_corner_under 66 -30 30
neck_base 0 -134 42      neck_front_side 24 -104 40   neck_side 46 -100 24   neck_flank 57 -95 -4
neck_base_side 46 -134 24   neck_base_flank 64 -134 -6   neck_back_flank 54 -100 -34
neck_back 32 -100 -58    neck_spine 0 -100 -66     neck_base_back 58 -134 -42
neck_base_rear 34 -134 -66
neck_base_spine 0 -134 -72   sterno 60 -65 2      below_mastoid 67 -30 -14   nape_flank 60 -50 -38
nape_low 0 -65 -63       nape_low_side 34 -60 -58
"""


def _points(text: str) -> dict[str, Array]:
    words = " ".join(line for line in text.splitlines() if not line.startswith("#")).split()
    return {
        words[i]: np.array([float(word) for word in words[i + 1 : i + 4]])
        for i in range(0, len(words), 4)
    }


LANDMARKS = _points(_LANDMARKS)
FORM = _points(_FORM)
