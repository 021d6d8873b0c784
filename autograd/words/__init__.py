"""Words of PyTorch, NumPy, JAX and Keras that have another name here: tables, from theirs to ours.

One idea: one word for one thing. So aliases are few (`unsqueeze`, `rand`, `randn`), and whoever types another
library's word is told which one to type. Nothing here is looked at unless a call has failed already. Read `both.py`,
`members.py`, `layers.py`, `names.py` and `options.py`, then `hints.py` outside, which makes errors of them.
"""

from .members import METHODS as METHODS
from .members import OF_GENERATORS as OF_GENERATORS
from .members import OF_MODULES as OF_MODULES
from .members import OF_OPTIMIZERS as OF_OPTIMIZERS
from .members import OF_SCHEDULES as OF_SCHEDULES
from .members import OF_TRAINERS as OF_TRAINERS
from .names import FILES as FILES
from .names import NAMES as NAMES
from .options import FEWER_ARRAYS as FEWER_ARRAYS
from .options import FIRST_ELSEWHERE as FIRST_ELSEWHERE
from .options import MORE_ARRAYS as MORE_ARRAYS
from .options import NEEDLESS_OPTIONS as NEEDLESS_OPTIONS
from .options import OPTIONS_OF_CLASSES as OPTIONS_OF_CLASSES
from .options import OPTIONS_OF_CLIP as OPTIONS_OF_CLIP
from .options import OPTIONS_OF_FUNCTIONS as OPTIONS_OF_FUNCTIONS
from .options import OPTIONS_OF_RECURRENT_LAYERS as OPTIONS_OF_RECURRENT_LAYERS
from .options import OPTIONS_THAT_DIFFER as OPTIONS_THAT_DIFFER
