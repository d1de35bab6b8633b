"""A hypervisor through libvirt: calls that are bounded, recorded and blamed; domains as XML."""
