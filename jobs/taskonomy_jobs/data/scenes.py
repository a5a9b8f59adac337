"""The scene classes of the published networks: 63 of the 365 that the files hold."""

SCENE_CLASSES_PUBLISHED = 365
"""Length of a published `class_scene` vector: the classes of Places365."""

SCENE_CLASSES_KEPT = (
    3, 23, 25, 26, 28, 37, 43, 45, 51, 52, 56, 61, 63, 88, 89, 93, 95, 100, 102, 106, 121, 124,
    126, 129, 131, 133, 135, 156, 165, 176, 177, 179, 182, 203, 208, 215, 217, 228, 240, 241,
    244, 246, 248, 253, 255, 264, 269, 280, 281, 282, 285, 298, 303, 311, 317, 318, 328, 332,
    343, 346, 352, 358, 363,
)  # fmt: skip
"""Places in that vector of the 63 indoor classes that scene classification is trained on."""

SCENE_CLASS_NAMES = tuple(
    """alcove; assembly line; atrium public; attic; auto factory; bank vault; basement; bathroom;
bedchamber; bedroom; biology laboratory; booth indoor; bow window indoor; chemistry lab;
childs room; clean room; closet; computer room; conference room; corridor; dining room; dorm
room; dressing room; elevator door; elevator shaft; engine room; escalator indoor; garage
indoor; greenhouse indoor; home office; home theater; hospital room; hotel room; kitchen;
laundromat; living room; lobby; mezzanine; nursery; nursing home; office; office cubicles;
operating room; pantry; parking garage indoor; physics laboratory; playroom; reception;
recreation room; repair shop; restaurant kitchen; server room; shower; stable; staircase;
storage room; television room; ticket booth; utility room; veterinarians office; waiting
room; wet bar; youth hostel""".replace("\n", " ").split("; ")
)
"""What the 63 are called, in the same order."""
