# Builds the image that Gradescope builds from the bundle, for its "Manual Docker Configuration" or to try
# things at home. The build context is an unpacked bundle:
#
#   ./run_autograder bundle ASSIGNMENT --out bundle.zip
#   unzip bundle.zip -d bundle && docker build -f Dockerfile -t autograder bundle
#   docker run --rm -v "$PWD/submission:/autograder/submission" -v "$PWD/results:/autograder/results" \
#       autograder /autograder/run_autograder
#
# The base brings Gradescope's harness, which starts the container: so neither CMD nor ENTRYPOINT here.
# `./run_autograder image` builds the image for `--sandbox docker` from the same file, out of a context that
# holds no grader; WANT is then the environment that its submissions need (see scripts/environment), if the
# context brings no requirements.txt of an assignment's.
ARG BASE=gradescope/autograder-base:ubuntu-22.04
FROM ${BASE}
ARG WANT=

COPY . /autograder/source
RUN cp /autograder/source/run_autograder /autograder/run_autograder \
    && chmod 755 /autograder/run_autograder \
    && mkdir -p /autograder/submission /autograder/results \
    && AUTOGRADER_WANT="${WANT}" bash /autograder/source/setup.sh \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /autograder
