"""The pages of virtual machines: customers' in :mod:`.customers`, their parts in :mod:`.parts`, staff's in :mod:`.staff`."""
