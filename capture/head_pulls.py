"""Where each expression pulls the skin, and how far: figures of the 52 shapes. No I/O.

One entry per shape: its name, the reach of its pulls in mm, then named points (`head_measures`;
'-' before a name is the wearer's right) with their displacement at weight 1 in mm. Shapes of the
left side only are listed; the right ones are their mirror images. Points of a shape without sides
stand for both halves. The displacements are measurements on ICT-FaceKit (MIT, (c) USC Institute
for Creative Technologies) at those points, rounded to 0.1 mm; right-hand points of 0 hold that
side still, as there. Ours are those of tongueOut, which that head lacks. How lids and eyeballs turn
stands in `head_lids` and `head_parts`; of gaze and blinks, here is what they pull along below the
eye, where a sensor feels it.

LIP_PULLS come on top, and are ours: moved as measured, one lip passes 3 mm deep through the other
in both shrugs and in mouthRollUpper. With them lips slide past; they do not reach the chin.
"""

PULLS = """
browDownLeft @50
  brow_middle -4.6 -3.7 2.8  brow_outer -2.2 -0.8 3.1  fold -0.6 -0.6 0.5  brow_low -3.4 -3.6 2.4
  lid_lower_outer 0 0 0  brow_near -3.7 -3.4 2  temple -1 0 1.7  brow_far -3.8 -2.4 3.3
  forehead_high -0.2 -1 1.1  lid_upper_outer -0.1 -0.4 0.1  canthus_outer -0.1 -0.2 0.1
  canthus_inner 0 0 0
browInnerUp @50
  brow_inner 0.5 5.6 -0.3  forehead_centre 0 -1.7 1.8  brow_near 0.6 5.2 -0.5
  forehead_high -0.1 -1.2 1.9  lid_upper_inner 0 0.2 -0.1  nose_side -0.2 1.7 -0.4
  brow_far 0 1.7 -0.2  brow_low 0.3 3.7 0.2  orbit_low -0.1 0.3 0  fold 0 0.4 -0.1
  lid_upper_outer 0 0.1 0  forehead 0.5 0.9 0.7
browOuterUpLeft @50
  brow_far 1.9 7.6 -3  brow_low 1.6 6.7 -0.9  fold 0.1 1.4 -0.7  lid_lower_outer 0 0.2 0
  brow_inner 0.5 2.1 -0.2  brow_outer 1.1 5.8 -2.4  brow_near 1.5 5.5 -0.9  canthus_inner 0 0 0
  lid_upper_outer 0 0.7 -0.2  canthus_outer 0 0.5 0  temple 0.4 1.4 -0.5  brow_middle 2.3 7.5 -2
cheekPuff @60
  mouth_corner -2.8 1.6 13.7  cheek_low 4.6 2.3 8.8  philtrum 0 1.8 8.1  cheek 1.1 4 4.6
  jaw_middle -0.1 3.3 5.2  chin_ball_side -0.3 1.9 2.1  lip_bottom 0 -0.3 8.7  submental 0 1.2 1.8
  slit_upper 0 0.2 7.2  nose_tip 0 2.7 0.7  sulcus_side -1 -0.8 9  menton 0 2.4 2
  jaw_angle 0.5 0.9 3.9  buccinator 2.5 2.2 12.2  nose_bridge 0 0.3 -0.2  under_eye -0.6 2 0.5
cheekSquintLeft @60
  zygoma -1.4 5.4 1.9  cheek_low 0.7 4.1 1.7  jaw_angle 0.1 2.5 2.5  cheek 0.2 4.8 2.1
  lip_corner_up 1.1 1.4 -1.5  jaw_branch -0.1 1.8 2.1  under_eye -0.8 3.6 1.1
  cheek_side 0.2 5.1 2.3  lid_upper_outer -0.1 -0.6 -0.2  lid_lower_outer -0.5 2 1
  jaw_low 0.7 2.4 2  orbit_low_outer -0.8 2.8 1.8
eyeSquintLeft @50
  orbit_low -2.3 2.5 0.8  lid_upper_outer -0.1 -0.2 0.1  zygoma -1.2 1.3 0.5
  lid_lower_outer -0.6 1.7 1  lid_lower_inner -0.8 2 0.5  canthus_inner -0.2 0.4 0
  tear_trough -1.7 1.8 0  nose_flank -0.3 0.4 0  brow_low 0 -0.2 0  cheek_front -0.5 0.7 0
jawForward @60
  jowl_back 2.1 -0.5 5.4  jaw_angle 1.7 -0.4 2  lip_lower_near 0.6 -1 9.4  mentalis 0 -1.6 10.9
  slit_upper_side 0 -0.2 0.8  slit_corner 0.5 -0.7 5.7  mid_cheek -0.6 0 0.7
  cheek_side 0.7 0.1 1.6  submental 0 -1.2 10  cheek -0.6 0 0  subnasale 0 0 0.2
  sulcus 0 -1.3 10.6
jawLeft @60
  jaw_angle 3.2 0.1 -0.4  -lip_lower_near 7.3 0.4 1.7  -slit_upper_side 1.8 0 0.1  -jowl 7 0.1 0.4
  jowl 7.4 0.5 -0.3  mentalis 8.8 0.3 0.1  jaw_branch 2.4 0.1 0  -jaw_low 3.5 -0.1 0.1
  jaw_low 3.8 0.4 -0.7  -alar_base 0.9 0 0  chin_side 8.6 0.2 -0.1  -slit_corner 4.8 0.1 0.9
  -buccinator 3.6 -0.2 0.3
jawOpen @60
  submental 0 -26.4 -27.3  buccinator -4.2 -8.6 -10.8  sulcus_side 1.5 -27.6 -22.8
  slit_lower 0 -35.2 -19.3  slit_corner -2.1 -15.2 -12.6  mentalis 0 -30.8 -28.5
  lip_corner_up -2.1 -7.8 -7.2  cheek -1.2 -3.2 -1.9  nasolabial -0.1 -4.7 -2.4
  philtrum 0 -1.9 0.1  jaw_low -2.7 -3.3 -7.5  chin_corner 1.3 -23.1 -24.5
  jaw_branch 2.7 -1.1 0.4  lip_upper_side -0.3 -4.9 -3.3  ala -0.6 -1.2 -0.3
  cheek_side -1.3 -3.6 -2.2  menton 0 -28.2 -29.1  mid_cheek -1.3 -4.4 -3.8
  slit_upper_side -0.3 -3.8 -2  nose_tip 0 -0.5 -0.1  nose_bridge 0 -0.3 0.2
  under_eye -0.2 -1.2 -0.2
mouthClose @60
  slit_lower 0 38.2 16.7  slit_upper 0 -0.8 2  mentalis 0 10.4 6.5  subnasale 0 0 0
  menton 0 3.9 2.5  lip_lower_side 0.5 28.7 14.3  slit_corner 1.1 16.7 8.3  buccinator 3 8.4 6
  nose_ridge 0 0 0  sulcus_side -0.1 21.8 11.9  nasolabial -0.1 0.9 0.9
  slit_upper_side -0.4 -0.4 2.9  lip_peak -0.1 -0.4 0.9  sulcus 0 20 10.7
  slit_lower_side 0.7 36 15.3  jowl 1.2 9.6 6.4  nasion 0 0 0  under_eye 0 0 0  nose_tip 0 0 0
  lid_lower_inner 0 0 0
mouthDimpleLeft @60
  slit_corner 1.4 2.7 -6.4  mid_cheek 0.7 0.6 3.9  slit_lower_side 1.2 1.1 -0.7  jowl 0.4 4.9 -0.4
  -lip_lower_near -0.4 0.6 -0.7  buccinator -1.2 1.9 0.4  cheek_low 2.8 -0.3 1.7
  cheek 1.4 1.6 3.4  lip_lower_side 2.5 4 -4.5  chin_ball_side 1.4 2 -1.3
  lip_corner_up 2.4 0.7 -2.9  ala -0.2 0.2 0  nose_tip 0 -0.1 0
  -mouth_corner 0 0 0  -jowl 0 0 0  -nasolabial 0 0 0
mouthFrownLeft @60
  lip_corner_up 1.3 -4.5 -3  jowl 0.4 -2.1 1.4  slit_upper_side 0.4 -0.9 -0.6
  mid_cheek -0.4 -2.4 -0.8  chin_ball_side -0.1 0.3 1.3  buccinator 1.5 -3.3 0.4
  -lip_peak -0.1 -0.4 -0.2  lip_bottom 0 -0.1 0  lip_lower_side 1 -1.4 0.2  cheek -0.6 -1 -0.2
  jowl_back 1.2 -1.6 0.9  jaw_low -0.2 -0.5 0.5
  -mouth_corner 0 0 0  -jowl 0 0 0
mouthFunnel @60
  slit_lower_side -1.1 -6.6 9.1  slit_upper 0 5.4 6.3  sulcus 0 -4.8 -0.1  subnasale 0 0.5 -0.1
  slit_corner -3.4 -0.2 8.5  menton 0 -3.7 -1.3  lip_top 0 6.1 7  nose_tip 0 -0.7 -1
  sulcus_side -0.2 -2.9 2.1  jowl_back -2.2 1.8 2.9  lip_bottom 0 -8.9 4.2  chin_ball 0 -4.4 -1.7
  slit_lower 0 -8.3 6.6  nose_bridge 0 0.1 0  chin_corner 0.6 -1.1 0.5  under_eye -0.1 0.5 0.2
mouthLeft @80
  -lip_lower_side 17.7 -0.1 4.7  lip_top 16.1 0.8 -3.3  -ala 3.6 -0.4 4.8  alar_base 5.4 3.2 -2.8
  -cheek_low 6.1 0.1 6.1  mentalis 6.8 1.4 -1.6  buccinator 3.8 5.2 -2.6  -under_eye 1.3 0.4 1.8
  cheek 2 3.2 2.7  sulcus_side 9.7 2.4 -5.5  slit_corner 6.4 5 -3.1  subnasale 7.1 1.7 -1.2
  nose_tip 2.5 0.7 -0.2  under_eye 0.5 1 0.5  nose_bridge 0.5 0 0
mouthLowerDownLeft @60
  lip_lower_near 0.7 -4.3 -1.3  slit_upper_side 0 -0.1 0  jowl 1.7 -1.3 -0.8
  -sulcus_side -0.2 -0.5 -0.2  chin_side 0.7 -2.9 -2  slit_corner 0 -1.6 -0.5
  sulcus_side 1.7 -3.6 -1.5  alar_base 0 0 0  sulcus 0 -2.7 -1.1
mouthPressLeft @60
  chin_side -0.2 3.8 1.7  nasolabial 0.5 0.1 1.8  ala 0 -0.1 -1.1  lip_upper_side -0.9 -0.1 -0.1
  philtrum 0 -0.4 0.8  sulcus_side 0.3 2.9 2.1  alar_base 0.2 -0.1 0.9  nose_flank -0.1 -0.3 -0.1
  jaw_middle -0.8 1.3 1.2  cheek 1 1.3 0.6  chin_ball_side -0.2 3.9 1.1  mouth_corner -0.1 1.3 0.5
  -mouth_corner 0 0 0  -jowl 0 0 0
mouthPucker @60
  slit_corner -5.2 2.1 10.9  sulcus 0 0.6 2.1  lip_top 0 3.7 8  subnasale 0 -0.4 0.7
  slit_upper 0 -0.3 6.9  nose_tip 0 -1.2 -1.2  slit_lower 0 0.2 9  menton 0 0.7 1.1
  jowl_back -3.2 2.5 3.6  lip_bottom 0 -1.9 6.3  chin_ball 0 1.1 0.9  chin_corner -0.9 2.2 2.3
  lip_upper_side -2.1 2.5 9.1  lip_corner_up -3.7 2 7.7  slit_upper_side -2.5 -0.9 8.5
mouthRollLower @28
  slit_lower 0 3.8 -12.8  sulcus 0 8.6 2.7  slit_upper 0 0 0  menton 0 -0.3 0.4  subnasale 0 0 0
  chin_ball 0 0.7 0.3  sulcus_side -0.1 6.3 2.4  slit_corner 0.5 -1 -2.5  lip_corner_up 0 0.1 -0.4
  chin_corner -0.2 0.7 1.3  slit_lower_side -0.7 1.9 -10.3  slit_upper_side 0 0.1 -0.1
  crease 0 7.3 4.9  mentalis 0 4 3.5  chin_ball_side -0.1 2.1 2  jowl 0.1 1.1 1.3
  mid_cheek 0 0 0  nasolabial 0 0 0  buccinator 0.2 0.9 0.1  under_eye 0 0 0  cheek 0 0 0
  nose_ridge 0 0 0  nasion 0 0 0
mouthRollUpper @60
  slit_upper 0 1.8 -11.1  philtrum 0 -5.5 -2  slit_lower 0 -0.1 -0.1  nose_tip 0 0 -0.2
  chin_ball 0 0 0  lip_side 0.3 -5.8 -2.1  ala 0.1 0 -0.3  slit_corner 0.9 0.9 -3
  nose_flank 0 0 0  subnasale 0 -2.7 -0.9  slit_upper_side 0.5 1.3 -9.8  mid_cheek 1.4 0.6 0.4
  nasion 0 0 0  under_eye 0 0 0  lid_lower_inner 0 0 0
mouthShrugLower @60
  mentalis 0 11.1 1.9  submental 0 3.8 5.3  slit_lower 0 6.9 5.5  slit_upper 0 0 0
  jowl -1.2 4.1 2.2  subnasale 0 0 0  slit_corner 0.8 2.3 2.4  menton 0 8.2 4.5
  lip_bottom 0 7.6 5.2  lip_lower_side 0.8 5.7 4.4  chin_ball_side -0.5 9.9 1.7
  mid_cheek 0.1 0.2 0.3  nose_ridge 0 0 0
mouthShrugUpper @60
  lip_top 0 5.7 0.2  alar_base 0 1.2 0  slit_lower 0 0 0  lip_upper_side 0.2 3.2 0.2
  mentalis 0 0 0  nose_flank 0 0 0  lip_corner_up 0 0.3 0  cheek_front 0 0 0  slit_upper 0 5.3 1
  philtrum 0 4 -0.2  nose_tip 0 0 0  nasolabial 0 0.1 0
mouthSmileLeft @60
  mouth_corner 7.1 10.5 -9.1  cheek_side 5.7 5 0.8  jowl_back 2.6 6.4 -1.2  cheek 4.4 4.4 2.5
  slit_lower_side 3.2 4.1 -3  jaw_angle 2.8 2.9 0  lip_upper_side 5.3 5.5 -6.3
  -lip_lower_near -0.7 1.2 -0.9  mid_cheek 4.7 4.8 -1.2  alar_base 2.1 1.9 -1.4
  chin_side 0.8 3.5 0.8  slit_upper 0 1.9 -1.1  -lip_peak -0.8 1.1 -1.2  -slit_corner 0 0 0
  under_eye 1.2 2.5 0.6  lid_lower_inner 0 0.4 0.2
  -jowl 0 0 0  -nasolabial 0 0 0  -buccinator 0 0 0
mouthStretchLeft @60
  mouth_corner 6.6 -3.1 -7  sulcus_side 2.6 1 -1.9  mid_cheek 1.4 0 0  jowl_back 4.1 0.5 -0.3
  buccinator 4 -0.5 -1.5  slit_upper_side 2.6 -0.8 -2.1  cheek_side 1.6 0.9 0.5
  -lip_lower_near -0.5 0.1 -0.5  slit_lower_side 2.8 -0.4 -1.5  chin_corner 1.2 1.1 -0.6
  cheek 1 0.7 0.8  menton 0 0.4 0.2
  -mouth_corner 0 0 0  -jowl 0 0 0  -nasolabial 0 0 0
mouthUpperUpLeft @60
  nasolabial 2.2 8 -2.8  cheek_front 2.3 4.9 3.1  lip_upper_side 2.1 8.1 -0.4
  nostril_sill 0.8 2.3 -1  slit_lower_side 0 0.6 0  buccinator -0.4 3.4 1.1  under_eye 0.7 2.4 1
  -lip_peak -0.4 2.6 -0.4  mentalis 0 0.1 0.1  mid_cheek 1 4.7 1.5  cheek 1.6 3.9 2.3
  nose_flank 0.4 2.2 1.2  canthus_inner 0 0 0  lid_lower_outer 0 0.2 0.1
  -nasolabial 0 0 0  -mouth_corner 0 0 0  -alar_base 0 0 0
noseSneerLeft @60
  nasolabial -1 10.1 -0.5  cheek -1.3 8.1 3.3  nose_flank -1 6.2 2.1  jowl_back -1.2 3.5 2.5
  brow_near -0.9 -3.3 0.1  ala 0.6 6 1.4  cheek_side -1.7 4 2.3  nose_side -0.2 1.8 0.8
  lip_upper_side 0.6 8.9 0  slit_lower_side -0.1 1.1 0.4  philtrum 0 3.1 -0.4  mentalis 0 0.3 0.1
  jaw_angle -0.7 1.4 1.5  buccinator -1.8 5.8 2
  -nasolabial 0 0 0  -lip_upper_side 0 0 0
eyeBlinkLeft @16
  orbit_low -2.1 0.4 0  tear_trough -0.6 0.2 0  orbit_low_outer 0 -0.1 0  under_eye 0 0 0
  cheek_front 0 0 0  zygoma 0 0 0  lid_lower_inner 0 0 0  lid_lower_outer 0 0 0  canthus_outer 0 0 0
  canthus_inner 0 0 0
eyeLookDownLeft @30
  lid_lower_inner 0.2 -1.7 -0.9  lid_lower_outer -0.3 -2 -0.9  orbit_low 0 -0.6 -1.1
  tear_trough 0.1 -0.3 -0.5  orbit_low_outer -0.1 -0.4 -0.7  under_eye 0 -0.1 -0.2
  cheek_front 0 0 0  zygoma 0 0 0
eyeLookInLeft @30
  orbit_low -1.3 0.1 0.1  tear_trough -0.8 0 -0.6  orbit_low_outer -0.6 0 0.7  under_eye -0.4 0 0
  cheek_front 0 0 0  zygoma 0 0 0
eyeLookOutLeft @30
  orbit_low 1.2 0.1 -0.1  tear_trough 0.9 0.1 0.6  orbit_low_outer 0.5 0 -0.8  under_eye 0.3 0 0
  cheek_front 0 0 0  zygoma 0 0 0
eyeLookUpLeft @30
  lid_lower_inner -0.1 1.3 0.3  lid_lower_outer 0.3 1.5 0.3  orbit_low 0.1 0.8 0.4
  tear_trough 0 0.4 0.1  orbit_low_outer 0.1 0.6 0.2  under_eye 0 0.3 0
  cheek_front 0 0 0  zygoma 0 0 0
tongueOut @26
  slit_lower 0 -4 1.5  slit_lower_side 0 -3 1  lip_bottom 0 -3 1.2  slit_upper 0 1 0.6
  mentalis 0 0 0  slit_corner 0 -0.5 0
"""

LIP_PULLS = """
mouthShrugLower @16
  slit_lower 0 -1.7 1.9  slit_lower_side 0 -1.7 2.2  slit_upper 0 2 -0.6  slit_upper_side 0 2.4 -0.8
  lip_upper_full 0 1.9 -0.8  slit_corner 0 0 0  sulcus 0 0 0  sulcus_side 0 0 0
mouthShrugUpper @16
  slit_upper 0 -3.2 0.5  slit_upper_side 0 -2.8 0.5  slit_corner 0 0 0
mouthRollUpper @16
  slit_upper 0 0 0  slit_upper_side 0 1.3 0.4  slit_corner 0 0 0
"""
