/* Calls are meant to disappear: sizes are then constants, and compilers compute several numbers at once. */
#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* A loop that is not to be unrolled: several of its rounds then become one on vectors, however few there are. */
#if defined __GNUC__ && !defined __clang__
#define TOGETHER _Pragma("GCC unroll 1")
#else
#define TOGETHER
#endif
