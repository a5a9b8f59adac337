"""A procedural indoor world, written in exactly the layout of the published data set.

`python -m taskonomy_jobs.rooms OUT --buildings N --views V --size 64` makes N buildings of V views.
Each building holds a few furnished rooms (`world`, `furniture`), seen by cameras that fixate points
of their surfaces in groups (`views`). A ray caster over analytic shapes (`shapes`, `render`) gives
every geometric label without a mesh or an approximation; labels that are operators on images come
from `labels2d` and `labels3d`; `write` lays the files out so that a reader of the published data
knows no difference. Same arguments, same bits, whatever the number of processes.
"""
