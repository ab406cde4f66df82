//! Report texts of CPAN-Reporter, CPANPLUS and cpanm-reporter, cut into what they say.
