"""The ten classes of the Russian Wildlife set and how many images each has."""

TOTALS = {  # train and val together
    "amur_leopard": 978,
    "amur_tiger": 1049,
    "birds": 1446,
    "black_bear": 975,
    "brown_bear": 1209,
    "dog": 1213,
    "roe_deer": 1124,
    "sika_deer": 1539,
    "wild_boar": 1435,
    "people": 700,
}
CLASSES = tuple(TOTALS)
