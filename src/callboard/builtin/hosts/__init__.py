"""Code hosts: the systems whose URLs name files in repositories.

asking          requests to the API of a host, within the budget of a credential
looking         what is in an answer, whatever its shape
installations   the hosts that the configuration names
places          which file of which repository a URL names
gathering       many questions at once become few requests
repositories    the reader of a host, over three questions that every host answers: where a branch is, what is in a
                commit, what is in a file
discovery       what the discovery providers of all hosts have in common
github, …       the hosts
"""
