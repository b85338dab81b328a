"""aishw: from a trained analog interaction system (AIS) to a verdict on the circuit."""

__version__ = "0.1.0"
__all__ = ["__version__"]
