#!/bin/sh
# What a package of the first stage says goes into the environment.
set -eu
hello --greeting "hello from $(basename "$1")" >"$2/greeting.txt"
