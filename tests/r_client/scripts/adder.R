library(rnnremote)

set.seed(1)
a <- sample(0:127, 2000, replace = TRUE)
b <- sample(0:127, 2000, replace = TRUE)
X <- array(c(int2bin(a, length = 8), int2bin(b, length = 8)), dim = c(2000, 8, 2))
Y <- int2bin(a + b, length = 8)

model <- trainr(Y = Y, X = X, learningrate = 1, hidden_dim = 16, numepochs = 5)

new_a <- sample(0:127, 500, replace = TRUE)
new_b <- sample(0:127, 500, replace = TRUE)
new_X <- array(c(int2bin(new_a), int2bin(new_b)), dim = c(500, 8, 2))
sums <- bin2int(predictr(model, new_X))
wrong <- sums - (new_a + new_b)
hist(wrong, main = "How far the sums are from right")
print(table(wrong))
