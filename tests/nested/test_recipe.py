"""The key of an image changes when what it is made of does."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from ci.nested.recipe import image_key, image_recipe, packages_key
from ci.nested.rootfs import mmdebstrap_command, namespace

RECIPE = image_recipe()


def key(**changes: object) -> str:
    recipe = msgspec.structs.replace(RECIPE, **changes)
    return image_key(recipe, guest_key="g", client_key="k")


def test_the_same_recipe_has_the_same_key() -> None:
    assert key() == image_key(image_recipe(), guest_key="g", client_key="k")


@pytest.mark.parametrize(
    "changes",
    [
        {"packages": (*RECIPE.packages, "strace")},
        {"files": {**RECIPE.files, "boot": RECIPE.files["boot"] + "\n"}},
        {"initrd_modules": ()},
        {"sources": RECIPE.sources[:1]},
    ],
    ids=["a package", "a text of ours", "a module", "a mirror"],
)
def test_any_change_of_the_recipe_is_another_image(changes: dict[str, object]) -> None:
    assert key(**changes) != key()


def test_another_guest_or_another_login_key_is_another_image() -> None:
    assert image_key(RECIPE, guest_key="other", client_key="k") != key()
    assert image_key(RECIPE, guest_key="g", client_key="other") != key()


def test_a_change_of_our_own_files_does_not_install_the_packages_again() -> None:
    changed = msgspec.structs.replace(RECIPE, files={})
    assert packages_key(changed) == packages_key(RECIPE)
    more = msgspec.structs.replace(RECIPE, packages=(*RECIPE.packages, "strace"))
    assert packages_key(more) != packages_key(RECIPE)


def test_a_kvm_host_has_nothing_of_xen_and_its_own_boot() -> None:
    kvm = image_recipe("kvm")
    assert not [name for name in kvm.packages if "xen" in name]
    assert "qemu-system-x86" in kvm.packages
    assert kvm.uri == "qemu:///system"
    assert "kvm_amd" in kvm.files["boot"]
    assert any("crypto/ccp" in option for option in kvm.dpkg_options), "kvm_amd needs it"
    assert not [name for name in (*kvm.files, *RECIPE.files) if name.endswith("-kvm")]
    assert image_key(kvm, guest_key="g", client_key="k") != key()
    assert packages_key(kvm) != packages_key(RECIPE)


def test_root_works_directly_and_a_user_in_namespaces() -> None:
    assert namespace(uid=0) == ()
    assert namespace(uid=1000)[0] == "unshare"
    assert "--mode=root" in mmdebstrap_command(RECIPE, Path("t"), uid=0)
    assert "--mode=unshare" in mmdebstrap_command(RECIPE, Path("t"), uid=1000)


def test_the_drivers_that_the_api_tests_ask_for_are_in_the_image() -> None:
    drivers = {"libvirt-daemon-driver-xen", "libvirt-daemon-driver-qemu", "libvirt-daemon-system"}
    nwfilter = {"libvirt-daemon-config-network", "libvirt-daemon-config-nwfilter"}
    deploy = {"rpm", "gdb-minimal", "netcat-openbsd"}
    assert drivers | nwfilter | deploy <= set(RECIPE.packages)


def test_every_placeholder_of_our_texts_is_one_that_is_filled_in() -> None:
    filled = {"@XEN@", "@URI@", "@MODULES@"}
    assert set(re.findall(r"@[A-Z]+@", "".join(RECIPE.files.values()))) == filled
