# The two commands of the README, with nothing installed but Docker:
#
#     docker build -t oprl-gym .
#     docker run --rm oprl-gym              # make train
#     docker run --rm oprl-gym make test
FROM python:3.12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /oprl-gym
COPY . .
RUN make .venv/.installed-test
CMD ["make", "train"]
