# cmake -DINPUT=file -DOUTPUT=file.c -DHEADER=header -DSYMBOL=name -P embed.cmake
# Writes the bytes of INPUT as the C array SYMBOL and their number as SYMBOL_len.
file(READ "${INPUT}" hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n\t" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"

const unsigned char ${SYMBOL}[] = {
	${bytes}
};
const size_t ${SYMBOL}_len = sizeof(${SYMBOL});
")
