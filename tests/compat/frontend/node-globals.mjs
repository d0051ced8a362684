// What packages of Backstage expect to be there as in Node; its own build adds the same.
export { Buffer } from 'buffer';
export { default as process } from 'process/browser';
