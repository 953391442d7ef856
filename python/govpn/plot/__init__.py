"""Pictures of training, of the noise and of what it does to the predictions.

They need matplotlib: ``pip install 'govpn[notebook]'``. Every function returns the matplotlib Figure and
shows nothing. The parameter ax says where to draw:

None : a new figure of pyplot's, one column of a paper (3.4 inches) wide, in small type
    `plt.show()` shows it. In a notebook, end the line with a semicolon: otherwise the returned figure
    appears a second time.
an Axes : for a picture of one panel (`plot_confusion`)
a sequence or an array of Axes : for a picture of several panels, one Axes per panel, row by row
a Figure or a SubFigure : for a picture of several panels, which are laid out in it

What is given keeps its size and the style of your rcParams. Pyplot's current figure stays what it is.
"""

from ._benefit import plot_noise_benefit
from ._classwise import plot_classwise
from ._confusion import plot_confusion
from ._history import plot_history
from ._noise import plot_noise

__all__ = ["plot_classwise", "plot_confusion", "plot_history", "plot_noise", "plot_noise_benefit"]


def __dir__() -> list[str]:
    return sorted(__all__)
