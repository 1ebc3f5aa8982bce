"""A watch over what makes a GPU wait for the host."""

from torch.utils._python_dispatch import TorchDispatchMode


class NoCopies(TorchDispatchMode):
    """Refuses what makes a GPU wait for the host: copies of constants, and looks at values."""

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        name = str(operation)
        assert not any(w in name for w in ("lift_fresh", "_local_scalar", "nonzero")), name
        return operation(*arguments, **(options or {}))
