"""Pictures of training, of the noise and of what it does to the predictions. They need matplotlib:
``pip install 'govpn[notebook]'``.

Every function returns the matplotlib Figure and shows nothing; what it shows comes from ax:

None : a new figure of pyplot's, 3.4 inches wide, a column of a paper, in small type; `plt.show()` shows it.
    In a notebook, end the line with a semicolon: the returned figure would appear a second time
an Axes : of pictures of one panel (`plot_confusion`)
a sequence or an array of Axes : of pictures of several, one Axes per panel, row by row
a Figure or a SubFigure : of pictures of several, which lay their panels out in it

What is given keeps its size and the style of your rcParams, and pyplot's current figure stays what it is.
"""

from ._benefit import plot_noise_benefit
from ._classwise import plot_classwise
from ._confusion import plot_confusion
from ._history import plot_history
from ._noise import plot_noise

__all__ = ["plot_classwise", "plot_confusion", "plot_history", "plot_noise", "plot_noise_benefit"]


def __dir__() -> list[str]:
    return sorted(__all__)
