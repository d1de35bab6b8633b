"""Unpushed work, taken as it is and sent through the lab before anybody else sees it."""
