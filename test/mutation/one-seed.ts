import fc from 'fast-check';

// Every mutant gets the same examples, so that scores of different runs can be compared. There are hundreds of mutants, so each
// property has a time limit.
fc.configureGlobal({ seed: 20_261_123, interruptAfterTimeLimit: 3_000 });
